"""What a client may send at this point of its session; pure."""

from common.errors import InputError, ProtocolError
from gateway import messages
from gateway.messages import AudioFormat, ClientMessage
from gateway.samples import to_pcm16


def checked_audio(audio: bytes, encoding: AudioFormat, *, max_bytes: int, is_ending: bool) -> bytes:
    """A binary message as PCM16.

    Raises
    ------
    ProtocolError, AudioError
        It comes after `end`, is too long, or is no audio of the session's format.
    """
    if is_ending:
        raise ProtocolError("no audio may follow `end`")
    if len(audio) > max_bytes:
        raise ProtocolError(f"a message of {len(audio)} bytes is too long", field="audio", limit=max_bytes)
    return to_pcm16(audio, encoding)


def checked_command(text: str, *, is_ending: bool) -> ClientMessage:
    """A text message.

    Raises
    ------
    ProtocolError
        It is none, or comes at the wrong time.
    """
    command = messages.parse(text)
    if isinstance(command, messages.Start):
        raise ProtocolError("the session has started already", field="type")
    if is_ending and not isinstance(command, messages.Clear | messages.Ping):
        raise ProtocolError("only `clear` and `ping` may follow `end`", field="type")
    return command


def check_rate(name: str, fps: int, session_fps: int) -> None:
    """Whether a session can go on with another avatar: it has one media clock, so the frame rate must be the same.

    Raises
    ------
    InputError
        It is not.
    """
    if fps != session_fps:
        message = f"avatar '{name}' has {fps} frames a second, the session {session_fps}"
        raise InputError(f"{message}; open another session for it", field="avatar", limit=session_fps)
