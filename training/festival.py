"""Speech of festival's voices with exact phoneme times: recorded diphones and hidden Markov models.

Wanted are Debian's packages `PACKAGES`. One festival process says many sentences; what a voice cannot say is left
out, with the rest of its batch where festival itself dies of it. festvox-kallpc is not among the packages: it is the
speaker of the held-out kal16.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

PACKAGES: Final = (
    "festival festvox-kdlpc16k festvox-us-slt-hts festvox-italp16k festvox-itapc16k festvox-suopuhe-lj"
    " festvox-suopuhe-mv festvox-czech-dita festvox-czech-krb festvox-czech-machac festvox-czech-ph"
    " festvox-ca-ona-hts"
)
VOICES_FOLDER: Final = Path("/usr/share/festival/voices")

US: Final = {
    "PP": "p b m em", "FF": "f v", "TH": "th dh", "DD": "t d n dx nx en", "KK": "k g ng", "CH": "ch jh sh zh",
    "SS": "s z", "RR": "r er axr", "LL": "l el", "AA": "aa", "EH": "ae eh", "AH": "ah ax hh hv", "EE": "ih iy y",
    "OH": "ao", "OO": "uw uh w", "EH>EE": "ey", "AA>EE": "ay", "AA>OO": "aw", "OH>OO": "ow", "OH>EE": "oy",
}  # fmt: skip
ROMANCE: Final = {
    "PP": "p b m", "FF": "f v nf", "DD": "t d n J", "KK": "k g ng", "CH": "S Z", "SS": "s z", "RR": "r rr",
    "LL": "l L", "AA": "a", "EH": "e E", "EE": "i j", "OH": "o O", "OO": "u w", "AH": "ax",
    "DD>SS": "ts dz", "DD>CH": "tS dZ",
}  # fmt: skip
FINNISH: Final = {
    "PP": "p b m", "FF": "f v", "TH": "T D", "DD": "t d n", "KK": "k g N h", "CH": "S Z", "SS": "s z", "RR": "r",
    "LL": "l L", "AA": "a", "EH": "e @", "AH": "&", "EE": "i j", "OH": "o", "OO": "u w y 7",
}  # fmt: skip
CZECH: Final = {
    "PP": "p b m", "FF": "f v", "DD": "t d n t~ d~ n~", "KK": "k g n* h ch _", "CH": "s~ z~ r~ r~*", "SS": "s z",
    "RR": "r", "LL": "l", "AA": "a", "EH": "e", "EE": "i j", "OH": "o", "OO": "u", "DD>SS": "c dz", "DD>CH": "c~ dz~",
}  # fmt: skip


class Voice(NamedTuple):
    """A festival voice: its text, the encoding it reads, its phones by viseme, how often it is drawn."""

    text: str
    encoding: str
    phones: dict[str, str]
    weight: float


VOICES: Final = {
    "ked_diphone": Voice("en", "ascii", US, 5),
    "cmu_us_slt_arctic_hts": Voice("en", "ascii", US, 1.5),
    "lp_diphone": Voice("it", "latin-1", ROMANCE, 1.5),
    "pc_diphone": Voice("it", "latin-1", ROMANCE, 1.5),
    "hy_fi_mv_diphone": Voice("fi", "latin-1", FINNISH, 1),
    "suo_fi_lj_diphone": Voice("fi", "latin-1", FINNISH, 1),
    "czech_dita": Voice("cs", "iso-8859-2", CZECH, 1),
    "czech_krb": Voice("cs", "iso-8859-2", CZECH, 1),
    "czech_machac": Voice("cs", "iso-8859-2", CZECH, 1),
    "czech_ph": Voice("cs", "iso-8859-2", CZECH, 1),
    "upc_ca_ona_hts": Voice("ca", "latin-1", ROMANCE, 1),
}
"""festival's name of a voice: what to know of it."""

SCRIPT: Final = """
(define pitch_factor 1.0)
(define (scale_pitch utt)
  (if (utt.relation.present utt 'Target)
      (mapcar (lambda (point) (item.set_feat point 'f0 (* pitch_factor (item.feat point 'f0))))
              (utt.relation.leafs utt 'Target)))
  utt)
(set! after_analysis_hooks (list scale_pitch))
(define (say text pitch stretch path)
  (set! pitch_factor pitch)
  (Parameter.set 'Duration_Stretch stretch)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt (string-append path ".wav") 'riff)
    (utt.save.segs utt (string-append path ".lab"))))
"""


class Line(NamedTuple):
    """One thing to say; pitch and stretch are factors on the voice's own pitch and durations."""

    text: str
    pitch: float
    stretch: float


@cache
def visemes(voice: str) -> dict[str, str]:
    """Return the viseme of each phone; stress, length and long consonants are written off the phone's name first."""
    return {phone: viseme for viseme, phones in VOICES[voice].phones.items() for phone in phones.split()}


def viseme(voice: str, phone: str) -> str:
    """Return a phone's viseme, or two of them (``DD>SS``) for a sound that moves."""
    return "sil" if phone in ("#", "##", "pau", "h#", "brth") else visemes(voice)[phone.rstrip("1:")]


def segments(voice: str, label_file: str) -> list[tuple[float, float, str]]:
    """Read an xlabel file: (start, end, viseme) of each phone, in seconds."""
    found, start_s = [], 0.0
    for row in label_file.split("#\n", 1)[1].splitlines():
        end, _, phone = row.split()
        found.append((start_s, float(end), viseme(voice, phone)))
        start_s = float(end)
    return found


def check_installed() -> None:
    """Raise where festival or a voice is missing."""
    missing = [voice for voice in VOICES if not list(VOICES_FOLDER.glob(f"*/{voice}"))]
    if shutil.which("festival") is None or missing:
        raise FileNotFoundError(f"festival or its voices {missing} are missing: apt-get install {PACKAGES}")


def say(
    speech: ModuleType, voice: str, lines: Sequence[Line]
) -> Iterator[tuple[NDArray[np.float32], list[tuple[float, float, str]]]]:
    """Yield sound, (n_samples,) at 16 kHz, and timed visemes of each line that the voice can say."""
    with tempfile.TemporaryDirectory() as folder:
        calls = [f"(voice_{voice})"]
        for number, line in enumerate(lines):
            text = json.dumps(line.text, ensure_ascii=False)
            calls.append(f'(unwind-protect (say {text} {line.pitch} {line.stretch} "{folder}/{number:04d}") nil)')
        script = Path(folder) / "say.scm"
        script.write_bytes((SCRIPT + "\n".join(calls)).encode(VOICES[voice].encoding, "ignore"))
        ended = subprocess.run(["festival", "-b", str(script)], check=False, capture_output=True, text=True)
        said = sorted(Path(folder).glob("*.lab"))
        if not said:
            raise RuntimeError(f"festival's {voice} said none of {len(lines)} lines: {ended.stderr[-500:]}")
        for labels in said:
            sound, rate_hz = sf.read(labels.with_suffix(".wav"), dtype="float32")
            yield speech.to16(sound, rate_hz), segments(voice, labels.read_text())
