"""pubsub_ordering: what is promised of every durable message, of those with a key: contents, counts, waits, members, cancelling.

Each is a check of ``pubsub_persistent`` whose messages have keys: each its own, every other one, or all the same.
"""

from prism_suites._pubsub_keyed import EVERY_OTHER, KEYED, ONE_KEY
from prism_suites.interfaces import pubsub_buffers as buffers
from prism_suites.interfaces import pubsub_patience as patience
from prism_suites.interfaces import pubsub_persistent as persistent
from prism_suites.interfaces import pubsub_persistent_cancellation as cancellation
from prism_suites.interfaces import pubsub_persistent_contents as contents
from prism_suites.interfaces import pubsub_persistent_giving_back as giving_back
from prism_suites.interfaces import pubsub_persistent_names as names
from prism_suites.interfaces import pubsub_persistent_others as others
from prism_suites.interfaces import pubsub_persistent_races as races
from prism_suites.interfaces import pubsub_prompt_receives as prompt

acks_are_individual = EVERY_OTHER.also(persistent.acks_are_individual, __name__)
the_last_id_is_that_of_the_last_publish = EVERY_OTHER.also(persistent.the_last_id_is_that_of_the_last_publish, __name__)
a_message_does_not_age = KEYED.also(persistent.a_message_does_not_age, __name__)

headers_come_out_as_they_went_in = ONE_KEY.also(contents.headers_come_out_as_they_went_in, __name__)
equal_payloads_are_messages_of_their_own = ONE_KEY.also(contents.equal_payloads_are_messages_of_their_own, __name__)
several_messages_of_the_largest_size_arrive = KEYED.also(contents.several_messages_of_the_largest_size_arrive, __name__)
a_stored_payload_may_be_any_buffer = ONE_KEY.also(buffers.a_stored_payload_may_be_any_buffer, __name__)
what_is_received_is_a_copy = ONE_KEY.also(names.what_is_received_is_a_copy, __name__)

a_nacked_message_comes_again = KEYED.also(giving_back.a_nacked_message_comes_again, __name__)
leaving_gives_back_what_is_held = EVERY_OTHER.also(giving_back.leaving_gives_back_what_is_held, __name__)
what_one_does_another_does_not_notice = EVERY_OTHER.also(others.what_one_does_another_does_not_notice, __name__)

a_cancelled_receive_takes_nothing = KEYED.also(cancellation.a_cancelled_receive_takes_nothing, __name__)
a_receive_cancelled_as_a_message_comes_loses_nothing = KEYED.also(
    cancellation.a_receive_cancelled_as_a_message_comes_loses_nothing, __name__
)
a_cancelled_ack_or_nack_has_its_effect_or_none = EVERY_OTHER.also(
    cancellation.a_cancelled_ack_or_nack_has_its_effect_or_none, __name__
)

members_share_whatever_overlaps = EVERY_OTHER.also(races.members_share_whatever_overlaps, __name__)
a_cancelled_publish_leaves_a_true_last_id = ONE_KEY.also(others.a_cancelled_publish_leaves_a_true_last_id, __name__)
publishes_at_once_lose_nothing = EVERY_OTHER.also(races.publishes_at_once_lose_nothing, __name__)
what_comes_at_any_turn_is_noticed = KEYED.also(prompt.what_comes_at_any_turn_is_noticed, __name__)
a_huge_delay_is_a_delay = KEYED.also(patience.a_huge_delay_is_a_delay, __name__)
