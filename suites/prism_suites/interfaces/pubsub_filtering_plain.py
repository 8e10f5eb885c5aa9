"""pubsub_filtering: what is promised of every plain subscription, of filtered ones: contents, order, waits, leaving, cancelling.

Each is a check of ``pubsub_basic`` whose topics are attributes. Around messages others are published that do not have them.
"""

from prism_suites._pubsub_selecting import ATTRIBUTES
from prism_suites.durability import pubsub_durability_outage as outage
from prism_suites.interfaces import pubsub_basic as basic
from prism_suites.interfaces import pubsub_basic_gaps as gaps
from prism_suites.interfaces import pubsub_basic_names as names
from prism_suites.interfaces import pubsub_basic_waiting as waiting
from prism_suites.interfaces import pubsub_cancellation as cancellation
from prism_suites.interfaces import pubsub_concurrency as concurrency
from prism_suites.interfaces import pubsub_patience as patience

payloads_come_out_as_they_went_in = ATTRIBUTES.also(basic.payloads_come_out_as_they_went_in, __name__)
so_many_wait_for_a_slow_one = ATTRIBUTES.also(basic.so_many_wait_for_a_slow_one, __name__, decoys=False)
equal_payloads_are_messages_of_their_own = ATTRIBUTES.also(basic.equal_payloads_are_messages_of_their_own, __name__)
every_subscription_gets_every_message = ATTRIBUTES.also(basic.every_subscription_gets_every_message, __name__)
nothing_from_before_is_received = ATTRIBUTES.also(basic.nothing_from_before_is_received, __name__)
entered_again_it_begins_again = ATTRIBUTES.also(basic.entered_again_it_begins_again, __name__)
topics_keep_their_messages_apart = ATTRIBUTES.also(basic.topics_keep_their_messages_apart, __name__)
without_a_loss_there_are_no_gaps = ATTRIBUTES.also(basic.without_a_loss_there_are_no_gaps, __name__)
a_subscription_does_not_age = ATTRIBUTES.also(basic.a_subscription_does_not_age, __name__, decoys=False)
several_messages_of_the_largest_size_arrive = ATTRIBUTES.also(
    basic.several_messages_of_the_largest_size_arrive, __name__, decoys=False
)

nothing_is_waited_for_as_long_as_asked = ATTRIBUTES.also(waiting.nothing_is_waited_for_as_long_as_asked, __name__)
a_timeout_that_is_no_number_is_refused = ATTRIBUTES.also(waiting.a_timeout_that_is_no_number_is_refused, __name__)
looking_again_and_again_finds_it = ATTRIBUTES.also(waiting.looking_again_and_again_finds_it, __name__)
who_waits_is_woken = ATTRIBUTES.also(waiting.who_waits_is_woken, __name__)
what_comes_elsewhere_ends_no_wait = ATTRIBUTES.also(waiting.what_comes_elsewhere_ends_no_wait, __name__)
receives_on_one_subscription_share = ATTRIBUTES.also(waiting.receives_on_one_subscription_share, __name__)
iteration_gives_what_receives_give = ATTRIBUTES.also(waiting.iteration_gives_what_receives_give, __name__, numbers={9: 10})
iteration_waits_however_long = ATTRIBUTES.also(waiting.iteration_waits_however_long, __name__, numbers={9: 10})
a_long_wait_goes_on = ATTRIBUTES.also(patience.a_long_wait_goes_on, __name__)
what_was_left_is_closed = ATTRIBUTES.also(waiting.what_was_left_is_closed, __name__)
leaving_ends_what_waits = ATTRIBUTES.also(waiting.leaving_ends_what_waits, __name__)
leaving_takes_nothing_from_others = ATTRIBUTES.also(waiting.leaving_takes_nothing_from_others, __name__)
many_that_come_and_go_use_nothing_up = ATTRIBUTES.also(waiting.many_that_come_and_go_use_nothing_up, __name__, decoys=False)

giving_up_is_no_gap = ATTRIBUTES.also(gaps.giving_up_is_no_gap, __name__, decoys=False)
gaps_are_not_forgotten = ATTRIBUTES.also(gaps.gaps_are_not_forgotten, __name__, decoys=False)

what_is_received_is_a_copy = ATTRIBUTES.also(names.what_is_received_is_a_copy, __name__, decoys=False)
a_timeout_of_the_wrong_type_is_refused = ATTRIBUTES.also(names.a_timeout_of_the_wrong_type_is_refused, __name__)

a_cancelled_publish_reaches_all_or_none = ATTRIBUTES.also(
    cancellation.a_cancelled_publish_reaches_all_or_none, __name__, decoys=False
)
a_cancelled_receive_takes_nothing = ATTRIBUTES.also(cancellation.a_cancelled_receive_takes_nothing, __name__, decoys=False)
a_receive_that_gave_up_takes_nothing = ATTRIBUTES.also(cancellation.a_receive_that_gave_up_takes_nothing, __name__, decoys=False)
a_receive_cancelled_as_a_message_comes_loses_nothing = ATTRIBUTES.also(
    cancellation.a_receive_cancelled_as_a_message_comes_loses_nothing, __name__
)
a_cancelled_entry_or_exit_disturbs_nobody = ATTRIBUTES.also(
    cancellation.a_cancelled_entry_or_exit_disturbs_nobody, __name__, decoys=False
)
many_cancelled_calls_use_nothing_up = ATTRIBUTES.also(cancellation.many_cancelled_calls_use_nothing_up, __name__, decoys=False)

subscriptions_get_what_is_theirs = ATTRIBUTES.also(concurrency.subscriptions_get_what_is_theirs, __name__, decoys=False)
an_entry_races_publishes = ATTRIBUTES.also(concurrency.an_entry_races_publishes, __name__, decoys=False)
many_publishers_lose_nothing = ATTRIBUTES.also(concurrency.many_publishers_lose_nothing, __name__, decoys=False)
leaving_races_a_message = ATTRIBUTES.also(concurrency.leaving_races_a_message, __name__, decoys=False)
receivers_of_one_subscription_share = ATTRIBUTES.also(concurrency.receivers_of_one_subscription_share, __name__, decoys=False)
many_enter_and_leave_at_once = ATTRIBUTES.also(concurrency.many_enter_and_leave_at_once, __name__, decoys=False)
ten_clients_open_an_empty_namespace_at_once = ATTRIBUTES.also(
    concurrency.ten_clients_open_an_empty_namespace_at_once, __name__, decoys=False
)

plain_subscriptions_outlive_their_server = ATTRIBUTES.also(outage.plain_subscriptions_outlive_their_server, __name__, decoys=False)
