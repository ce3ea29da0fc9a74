"""Runs a command on a terminal of its own. Arguments: rows, columns, keys as JSON `[[text to wait for, keys], ...]`, command.

Prints `{"code": exit code, "shown": everything the terminal received}`.
"""
import fcntl, json, os, pty, struct, sys, termios

rows, columns, keys, command = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:]
ready, go = os.pipe()
child, terminal = pty.fork()
if child == 0:
    os.close(go)
    os.read(ready, 1)
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
os.close(ready)
os.write(go, b"!")
shown = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    shown += part
    while keys and keys[0][0].encode() in shown:
        os.write(terminal, keys.pop(0)[1].encode())
_, status = os.waitpid(child, 0)
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "shown": shown.decode("utf-8", "replace")}))
