"""pubsub_basic: topics and headers are their text, whatever type it has."""

from prism_suites._pubsub_taking import BASIC, Ear, Sent, hears
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic
from prism_testkit.outcomes import law


@check("pubsub_basic.5", "pubsub_basic.1")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_topic_may_be_any_kind_of_str(pubsub: PubSubBasic, case: Case, how: str, name: str) -> None:
    """A topic, and headers, given as instances of subclasses of ``str`` are their text."""
    text = TEXTS[how](name)
    with law("pubsub_basic.5"):
        async with pubsub.subscribe(name) as one, pubsub.subscribe(text) as other:
            sents = [Sent(await pubsub.publish(text, b"1", {text: text}), name, b"1", {name: name})]
            sents.append(Sent(await pubsub.publish(name, b"2"), name, b"2", {}))
            for inner in (one, other):
                await hears(Ear(case, inner, BASIC), sents, f"a topic given as {how}", lost="pubsub_basic.5")
