#!/usr/bin/env python3
"""Runs the commands of a walkthrough and writes what they print below them.

    usage: tools/walkthrough/run.py docs/walkthrough-local.md

Each block ```console holds commands, one a line after `$ ` (a line that ends with a backslash goes on in the next one),
and what they printed the last time. All of them run in one shell, from the folder that this is called from. A command
that fails ends the run, and the file stays as it was; a command after `$? ` may fail.
"""
import re
import subprocess
import sys
import uuid

LIMIT = 40  # lines of output that are kept of one command


class Shell:
    def __init__(self):
        self.process = subprocess.Popen(
            ["bash", "--norc"], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.run("exec 2>&1; shopt -s expand_aliases")

    def run(self, command):
        """What a command prints, and its status."""
        end = uuid.uuid4().hex
        self.process.stdin.write(f"{command}\necho; echo {end} $?\n")
        lines = []
        for line in self.process.stdout:
            if line.startswith(end):
                if lines and lines[-1] == "\n":
                    lines.pop()
                return "".join(lines), int(line.split()[1])
            lines.append(line)
        raise SystemExit(f"the shell ended in: {command}")


def commands(block):
    """(marker, command) of each command in a block."""
    found, current = [], None
    for line in block.splitlines():
        start = re.match(r"(\$\??) (.*)", line)
        if current is not None and current[1].endswith("\\"):
            current[1] += "\n" + line
        elif start:
            current = [start.group(1), start.group(2)]
            found.append(current)
        else:
            current = None
    return found


def shortened(output):
    output = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output)
    lines = [line.rstrip() for line in output.splitlines()]
    if len(lines) > LIMIT:
        lines = lines[:LIMIT] + [f"[{len(lines) - LIMIT} more lines]"]
    return lines


def main():
    path = sys.argv[1]
    text = open(path, encoding="utf-8").read()
    shell = Shell()

    def replaced(match):
        lines = []
        for marker, command in commands(match.group(1)):
            print(f"$ {command}", flush=True)
            output, status = shell.run(command)
            print(output, end="", flush=True)
            if status != 0 and marker == "$":
                raise SystemExit(f"it failed with status {status}; {path} is as it was")
            lines += [f"{marker} {command}", *shortened(output)]
        return "```console\n" + "\n".join(lines) + "\n```"

    done = re.sub(r"```console\n(.*?)\n```", replaced, text, flags=re.S)
    with open(path, "w", encoding="utf-8") as file:
        file.write(done)


if __name__ == "__main__":
    main()
