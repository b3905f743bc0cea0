#!/bin/sh
# TensorBoard's own reader reads what training writes: every step once, also after a stop and going on. Takes a Python that
# has the package `tensorboard`: $MHC_TENSORBOARD_PYTHON, else build/tensorboard/bin/python, else python3.
#   python3 -m venv build/tensorboard && build/tensorboard/bin/pip install tensorboard 'setuptools<81'
python=${MHC_TENSORBOARD_PYTHON:-}
if [ -z "$python" ]; then
    python=$PWD/build/tensorboard/bin/python
    [ -x "$python" ] || python=python3
fi
if ! "$python" -c 'import tensorboard.backend.event_processing.event_accumulator' 2>/dev/null; then
    echo "no Python here has the package tensorboard: skipped (the head of tests/cli/tensorboard.sh says how to get it)"
    exit 77
fi
. "${0%/*}/lib/common.sh"

# shellcheck disable=SC2086 # a list of options
expect 0 train $tiny --out run --set train.steps=10 --set train.checkpoint_every=4 --set train.eval_every=5 \
    --set data.eval_share=0.2
# as after a kill: lines and events past the newest checkpoint, and a part of a frame
rm -r run/checkpoints/step-00000010
for file in run/events.out.tfevents.*; do
    printf '\060\000\000\000' >>"$file"
done
expect 0 train --quiet --resume run --set train.steps=14
[ "$(find run -name 'events.out.tfevents.*' | wc -l)" -eq 2 ] || fail "expected a file of events for each start"

"$python" - run <<'PYTHON'
import json, math, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = sys.argv[1]
events = EventAccumulator(run, size_guidance={"scalars": 0})
events.Reload()
lines = [json.loads(line) for line in open(run + "/metrics.jsonl")]
assert len(lines) == 14, len(lines)
tags = {tag for line in lines for tag in line if tag != "step"}
assert set(events.Tags()["scalars"]) == tags, (events.Tags()["scalars"], tags)
for tag in tags:
    found = [(event.step, event.value) for event in events.Scalars(tag)]
    expected = [(line["step"], line[tag]) for line in lines if tag in line]
    assert [step for step, _ in found] == [step for step, _ in expected], (tag, found)
    for (_, a), (_, b) in zip(found, expected):
        assert (b is None and math.isnan(a)) or abs(a - b) <= 1e-6 * abs(b), (tag, a, b)
print("%d tags, %d steps" % (len(tags), len(lines)))
PYTHON

# off: nothing is written
# shellcheck disable=SC2086
expect 0 train $tiny --out off --set train.steps=2 --set train.tensorboard=false
[ -z "$(find off -name 'events.*')" ] || fail "train.tensorboard=false: expected no events"
