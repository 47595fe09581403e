"""The language's own clocks, randomness and files, as a handler sees them. In a process of its own, since it replaces them for good."""

import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent

PROGRAM = """
import sys
sys.path[:0] = [{tests!r}, {sdk!r}]
from fake import host
# Names that were imported before the SDK are replaced, too.
from time import time as early_time
from datetime import datetime as early_datetime
from relight import component, _state
component.install()
import datetime, os, random, secrets, time, uuid, socket, linecache
assert abs(time.time() - early_time()) < 60 and time.time() > 1_600_000_000
component.built()
_state.phase = _state.Phase.HANDLER
host.clock = 1_767_225_600_123
from relight import _absent, _chance, _report
"""
END = """
    sys.__stderr__.write(f"{type(error).__name__}: {error}, line {error.__traceback__.tb_lineno}")
    sys.exit(1)
"""


class SandboxTest(unittest.TestCase):
    def run_program(self, body):
        program = PROGRAM.format(tests=str(HERE), sdk=str(HERE.parent))
        # What is written to `sys.stderr` goes to the log of the host.
        guarded = "\n".join(f"    {line}" for line in body.strip().splitlines())
        program = f"{program}\ntry:\n{guarded}\nexcept BaseException as error:\n{END}"
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_every_clock_shows_the_invocations_time(self):
        self.run_program(
            """
assert time.time() == early_time() == time.monotonic() == time.perf_counter() == 1_767_225_600.123
assert time.time_ns() == 1_767_225_600_123_000_000 == time.clock_gettime_ns(0)
utc = datetime.timezone.utc
now = datetime.datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=utc)
assert datetime.datetime.now(utc) == now and datetime.datetime.utcnow() == now.replace(tzinfo=None)
assert datetime.datetime.now(utc).isoformat() == '2026-01-01T00:00:00.123000+00:00'
assert abs(datetime.datetime.now().timestamp() - time.time()) < 0.001
assert datetime.date.today() == datetime.date.fromtimestamp(time.time())
assert time.gmtime()[:6] == (2026, 1, 1, 0, 0, 0) and time.gmtime(0)[0] == 1970
assert '2026' in time.ctime() or '2025' in time.ctime()
assert time.strftime('%Y', time.gmtime()) == '2026' and len(time.strftime('%H:%M')) == 5 and time.asctime()
host.clock += 5
assert time.time() == 1_767_225_600.128
"""
        )

    def test_dates_stay_dates(self):
        self.run_program(
            """
import json
assert isinstance(datetime.datetime.now(), datetime.date) and issubclass(datetime.datetime, datetime.date)
assert isinstance(early_datetime(2026, 1, 1), datetime.datetime)
later = datetime.datetime.now() + datetime.timedelta(days=1)
assert isinstance(later, datetime.datetime) and later - datetime.datetime.now() == datetime.timedelta(days=1)
assert datetime.datetime.strptime('2026', '%Y').year == 2026
from relight._json import decode, encode
assert decode(encode(later), datetime.datetime) == later
assert decode(encode(datetime.date.today()), datetime.date) == datetime.date.today()
"""
        )

    def test_randomness_comes_from_the_invocation(self):
        self.run_program(
            """
def draw():
    host.drawn = 0
    uuid._last_timestamp = None
    _chance.seed()
    return [random.random(), random.Random().random(), random.SystemRandom().random(), os.urandom(4), secrets.token_hex(4),
            uuid.uuid4(), uuid.uuid1(), random.choice(range(100)), _chance.Random().random(), _chance.Random().randint(1, 6),
            _chance.Random().getrandbits(13) < 2 ** 13, _chance.Random().shuffle([1, 2, 3])]
first, second = draw(), draw()
assert first == second, (first, second)
host.drawn = 7
_chance.seed()
assert random.random() != first[0]
assert len(_chance.random_bytes(200_000)) == 200_000
assert random.Random(5).random() == random.Random(5).random()
"""
        )

    def test_tracebacks_are_made_without_a_parser(self):
        self.run_program(
            """
import ast, traceback
ast.parse = compile = None
def fails():
    raise NameError('nope')
try:
    fails()
except NameError:
    text = traceback.format_exc()
assert 'in fails' in text and 'NameError: nope' in text, text
"""
        )

    def test_what_is_not_there_says_so(self):
        self.run_program(
            """
import pathlib
def refused(what, act):
    try:
        act()
    except (OSError, RuntimeError, ModuleNotFoundError) as error:
        assert what in str(error), (what, error)
        return
    raise AssertionError(what)
refused('no files', lambda: open('x'))
refused('no files', lambda: pathlib.Path('x').read_text())
refused('no files', lambda: os.listdir('.'))
refused('no sockets', lambda: socket.socket())
refused('no sockets', lambda: socket.create_connection(('a', 1)))
refused('ctx.sleep', lambda: time.sleep(1))
_absent.close()
refused('import it at the top', lambda: __import__('wsgiref.simple_server'))
import json, math
"""
        )


if __name__ == "__main__":
    unittest.main()
