"""What the console's client keeps of what was said and heard: `lipstream/log.js` and what is beside it."""

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOLS = """
  const [{ createLog }, { createHeard }, { createNumbers, BEGINNING }, { messages }] = await Promise.all(
    ["log", "heard", "numbers", "messages"].map((name) => import(`/lipstream/${name}.js`)));
  const log = createLog({ avatar: "ada" });
  const audio = (first, end) => log.audio(Int16Array.from({ length: end - first }, (_, n) => first + n));
  const span = (pcm) => `${pcm[0]}-${pcm.at(-1) + 1}`;
  const word = ({ type, pcm, fields }) => (pcm ? span(pcm) : [type, ...Object.values(fields)].join(" "));
  const take = () => log.take().map(word).join(", ");
"""
"""Samples have the value of their place, so that `take` tells which ones were taken."""


async def outcome(page: Page, script: str) -> Any:
    """What a script returns that has the tools."""
    return await page.evaluate(f"async () => {{ {TOOLS} {script} }}")


async def test_what_a_server_lacks_is_said_again_wherever_it_was_cut_off(blank: Page) -> None:
    script = """
      const said = [["begin"], 0, 1, 2, 3, ["flush"], ["switch"], 4, 5, 6, ["flush"], ["begin"], 7, 8];
      const tell = (log) => {
        for (const one of said) one.length ? log.say(one[0]) : log.audio(Int16Array.of(one));
      };
      const flat = (items) => items.flatMap(({ pcm, type }) => (pcm ? [...pcm] : [[type]]));
      return said.map((_, heard) => {
        const log = createLog({ avatar: "ada" });
        tell(log);
        log.take();
        const commands = said.slice(0, heard).filter(({ length }) => length).length;
        log.goBack({ audio: heard - commands, commands });
        return JSON.stringify([...said.slice(0, heard), ...flat(log.take())]) === JSON.stringify(said);
      });
    """
    assert await outcome(blank, script) == [True] * 14


async def test_what_waits_for_the_server_follows_what_it_lacks(blank: Page) -> None:
    script = """
      audio(0, 100), take();
      audio(100, 200), log.say("flush");
      log.goBack({ audio: 70, commands: 0 });
      return take();
    """
    assert await outcome(blank, script) == "70-100, 100-200, flush"


async def test_a_barge_in_voids_all_but_a_change_of_avatar_and_the_end(blank: Page) -> None:
    script = """
      log.say("begin", { template: 7 }), audio(0, 100), log.say("switch", { avatar: "ben" }), audio(100, 200);
      log.say("flush"), log.say("end"), take();
      log.clear(1, {});
      const first = take();
      log.goBack({ audio: 0, commands: 0 });
      return [first, take()];
    """
    assert await outcome(blank, script) == ["clear", "clear, switch ben, end"]


@pytest.mark.parametrize(("commands", "again"), [(2, "switch ben"), (3, "")])
async def test_the_server_counts_a_change_of_avatar_that_a_barge_in_left_last(
    blank: Page, commands: int, again: str
) -> None:
    script = f"""
      log.say("begin"), log.say("switch", {{ avatar: "ben" }}), audio(0, 100), log.say("flush"), take();
      log.clear(1, {{}}), take();
      log.confirm(1), log.goBack({{ audio: 100, commands: {commands} }});
      return take();
    """
    assert await outcome(blank, script) == again


async def test_what_was_voided_before_it_was_sent_was_never_counted(blank: Page) -> None:
    script = """
      audio(0, 100), take();
      audio(500, 600), log.say("flush"), log.clear(1, {}), audio(100, 200), log.say("flush");
      log.goBack({ audio: 40, commands: 0 });
      const first = take();
      log.confirm(1), log.goBack({ audio: 60, commands: 0 });
      return [first, take()];
    """
    assert await outcome(blank, script) == ["clear, 100-200, flush", "120-200, flush"]


async def test_as_many_barge_ins_are_said_again_as_the_server_lacks(blank: Page) -> None:
    script = """
      log.clear(1, {}), log.clear(2, {}), take(), log.clear(3, {});
      log.confirm(1), log.goBack({ audio: 0, commands: 0 });
      return take();
    """
    assert await outcome(blank, script) == "clear, clear"


async def test_audio_is_forgotten_as_its_frames_come_but_for_a_margin(blank: Page) -> None:
    script = """
      log.say("begin", { template: 7 }), audio(0, 100), audio(100, 200), audio(200, 300), log.say("flush"), take();
      log.forget(210, 0, 60);
      log.goBack({ audio: 0, commands: 0 });
      return take();
    """
    assert await outcome(blank, script) == "100-200, 200-300, flush"


async def test_what_is_said_may_be_changed_afterwards(blank: Page) -> None:
    assert await outcome(blank, "const pcm = Int16Array.of(1, 2); log.audio(pcm); pcm.fill(9); return take();") == "1-3"


async def test_of_too_much_that_waits_the_oldest_audio_goes_and_no_command(blank: Page) -> None:
    script = """
      audio(0, 100), take(), log.say("begin", { template: 7 }), audio(100, 200), audio(200, 300), log.say("flush");
      log.goBack({ audio: 80, commands: 0 }), log.trim(150);
      const first = take();
      log.goBack({ audio: 100, commands: 1 });
      return [first, take()];
    """
    assert await outcome(blank, script) == ["begin 7, 200-300, flush", "220-300, flush"]


async def test_a_server_that_begins_anew_is_told_what_has_not_come_back(blank: Page) -> None:
    script = """
      log.say("begin", { template: 7 }), audio(0, 100), audio(100, 200), log.say("flush"), audio(200, 300), take();
      log.forget(120, 0, 60), log.beginAgain(BEGINNING, 19);
      const first = take();
      log.goBack({ audio: 30, commands: 1 });
      return [first, take()];
    """
    assert await outcome(blank, script) == ["begin 19, 120-200, flush, 200-300", "150-200, flush, 200-300"]


async def test_a_server_that_begins_anew_is_told_nothing_of_what_has_ended(blank: Page) -> None:
    script = """
      audio(0, 100), log.say("flush"), audio(100, 130), take();
      log.forget(90, 0, 60), log.ended(120), log.beginAgain(BEGINNING, null);
      return take();
    """
    assert await outcome(blank, script) == "100-130"


async def test_a_server_that_begins_anew_is_told_where_an_utterance_ended_at_a_pause(blank: Page) -> None:
    script = """
      audio(0, 100), audio(100, 200), take(), log.beginAgain(BEGINNING, 0, [100]);
      return take();
    """
    assert await outcome(blank, script) == "begin 0, 0-100, flush, 100-200"


async def test_a_server_that_begins_anew_begins_with_the_avatar_whose_frames_are_due(blank: Page) -> None:
    script = """
      audio(0, 100), log.say("switch", { avatar: "ben" }), audio(100, 200), take();
      log.forget(90, 0, 20);
      const before = log.avatar;
      log.forget(110, 100, 20);
      return [before, log.avatar];
    """
    assert await outcome(blank, script) == ["ada", "ben"]


async def test_audio_goes_in_messages_of_half_a_second_at_most(blank: Page) -> None:
    script = """
      audio(0, 5000), audio(5000, 16000), log.say("flush"), audio(16000, 16002);
      return [...messages(log.take())].map((one) => (typeof one === "string" ? one : `${one.length}`));
    """
    assert await outcome(blank, script) == ["12000", "4000", '{"type":"flush"}', "2"]


HEARD = """
  const heard = createHeard(), numbers = createNumbers();
  heard.rate({ fps: 25, samples_per_frame: 640 }, 24000);
  const hear = (event, isVoid = false) => heard.take(numbers.event(event), isVoid);
  const see = (_, k) => heard.frame({ frame: k, template: 50 + k, flags: 0 });
  const frames = (count) => Array.from({ length: count }, see);
  const segment = { type: "segment", segment: 0, epoch: 0, first_frame: 0, template: 50, audio: 0 };
  const begun = { ...segment, type: "speak_started" };
  const ended = { ...segment, type: "speak_ended", frames: 30, concealed: 0, position_ms: 1200, interrupted: false };
"""


async def test_what_the_server_says_again_is_no_news(blank: Page) -> None:
    script = """
      hear(segment), hear(begun), frames(3);
      return [hear(segment), hear(begun), hear(ended)?.frames, hear(ended)];
    """
    assert await outcome(blank, HEARD + script) == [None, None, 30, None]


async def test_an_utterance_that_goes_on_with_another_server_is_one_utterance(blank: Page) -> None:
    script = """
      hear(segment), hear(begun), frames(12);
      const { frame, segment: number, template } = heard.position();
      numbers.begin(BEGINNING, { epoch: 2, frame, segment: number }, 25);
      const again = hear({ ...segment, template });
      const { frame: next, ptsUs } = numbers.frame({ frame: 0, epoch: 0, ptsUs: 0 });
      const { epoch, first_frame, frames: all, position_ms } = hear({ ...ended, frames: 18, position_ms: 720 });
      return { template, again, next, ptsUs, audio: heard.numbered(0).audio, epoch, first_frame, all, position_ms };
    """
    assert await outcome(blank, HEARD + script) == {
        "template": 62, "again": None, "next": 12, "ptsUs": 480_000, "audio": -12 * 960,
        "epoch": 2, "first_frame": 0, "all": 30, "position_ms": 1200,
    }  # fmt: skip


async def test_a_server_that_begins_behind_an_end_begins_another_utterance(blank: Page) -> None:
    script = """
      hear(segment), hear(begun), frames(30), hear(ended);
      const { frame, segment: number, template } = heard.position();
      numbers.begin(BEGINNING, { epoch: 0, frame, segment: number }, 25);
      const { segment: another, first_frame } = hear(segment);
      return [frame, template, another, first_frame, ...[29, 30].map((n) => numbers.frameThere(n) ?? null)];
    """
    assert await outcome(blank, HEARD + script) == [30, None, 1, 30, None, 0]


async def test_where_a_barge_in_cut_is_known_without_the_server(blank: Page) -> None:
    script = """
      hear(segment), hear(begun), frames(20), heard.clear(1, 9);
      return heard.unanswered().map((answer) => [heard.cleared(answer), heard.cleared(answer)]);
    """
    cleared = {"type": "cleared", "epoch": 1, "next_frame": 20, "segment": 0, "position_ms": 400}
    assert await outcome(blank, HEARD + script) == [[cleared, None]]


async def test_what_a_server_says_of_the_time_before_it_began_anew_is_old(blank: Page) -> None:
    script = """
      numbers.begin({ epoch: 3, next_frame: 90 }, { epoch: 2, frame: 70, segment: 4 }, 25);
      const [last, next] = [3, 4].map((epoch) => ({ type: "cleared", epoch }));
      const old = [{ ...ended, epoch: 2 }, last, next, { type: "stats" }];
      const moved = numbers.event({ ...segment, epoch: 3, segment: 9, first_frame: 90 });
      return [old.map(numbers.isOld), [moved.epoch, moved.segment, moved.first_frame]];
    """
    assert await outcome(blank, HEARD + script) == [[True, True, False, False], [2, 4, 70]]
