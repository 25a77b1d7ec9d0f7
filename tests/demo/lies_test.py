#!/usr/bin/env python3
"""lies_test.py DEMO: confab-demo notices every way in which a server can betray its readers (liar.py), and passes an honest one.

All run at once, each with its own server, port and folder. Exit code 0 when each run ended as expected.
"""
import json, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "..", "demo", "fixtures")
FAULTS = ["lost", "doubled", "out_of_order", "altered", "withdrawn", "stored_twice", "before_joined", "unacknowledged", "readback_wrong",
          "readback_missing", "readback_surplus", "readback_holes", "crashes", "refused_lines", "unreadable_frames", "epoch_changes"]

# What must be found, and nothing else: a lie that is called by another name would send people searching in the wrong place.
EXPECTED = {
    "none": set(),
    "lose": {"lost"},
    "double": {"doubled"},
    "swap": {"out_of_order"},
    "alter": {"altered"},
    "author": {"altered"},
    "forget": {"altered", "out_of_order", "readback_wrong", "readback_missing"},
    "twice": {"stored_twice", "readback_wrong", "readback_surplus"},
    "refuse": {"refused_lines", "unacknowledged", "readback_wrong", "readback_missing"},
    "gap": {"lost"},
    "lazy": {"lost", "withdrawn", "altered", "doubled", "out_of_order", "stored_twice", "readback_wrong", "readback_missing"},
}


def main():
    demo, failures, runs = sys.argv[1], 0, []
    with tempfile.TemporaryDirectory(prefix="confab-lies-") as folder:
        for lie in EXPECTED:
            result = os.path.join(folder, lie)
            command = [demo, "--corpus", FIXTURES, "--files", "1", "--confab", os.path.join(HERE, "liar.py"), "--kill", "1", "--patience", "8",
                       "--json", result]
            runs.append((lie, result, subprocess.Popen(command, env={**os.environ, "LIAR": lie, "TMPDIR": folder}, stdout=subprocess.PIPE,
                                                       stderr=subprocess.STDOUT, text=True)))
        for lie, result, process in runs:
            output, _ = process.communicate()
            found = None
            if os.path.exists(result):
                with open(result) as file:
                    data = json.load(file)
                found = {name for name in FAULTS if data[name]}
            wanted = EXPECTED[lie]
            good = found is not None and (found == wanted if lie != "lazy" else found and found <= wanted) and process.returncode == (1 if wanted else 0)
            print(f"{'ok  ' if good else 'FAIL'} {lie}: exit code {process.returncode}, found {sorted(found or [])}")
            if not good:
                failures += 1
                print(f"     expected {sorted(wanted)}\n{output}")
        left = sorted(name for name in os.listdir(folder) if name.startswith("confab-demo-"))
        if left:
            failures += 1
            print(f"FAIL left behind: {left}")
    return 1 if failures else 0


sys.exit(main())
