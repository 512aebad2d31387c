# convoy contract under mpirun: every rank computes its part, and what was predicted is what happens;
# and whatever goes wrong, on whichever rank, ends the job soon, with a message and without remains.

python=${CONVOY_PYTHON:-python3}
mkdir contract contract/elsewhere
cd contract || exit 1
: >before
: >after

# Small integers: sums are exact in whatever order, so results compare bit by bit.
"$python" - <<'PY'
import numpy as np

random = np.random.default_rng(7)


def save(name, *shape, dtype="float32"):
    np.save(name, random.integers(-2, 3, shape).astype(dtype))


save("a.npy", 37, 53)
save("b.npy", 53, 29)
save("c.npy", 29, 11)
save("x.npy", 2, 3, 9, 8, dtype="float64")
save("w.npy", 4, 3, 3, 2, dtype="float64")
save("large1.npy", 600, 600)
save("large2.npy", 600, 600)
# A long filter: many seconds of work on little data.
save("signal.npy", 1 << 22)
save("filter.npy", 400000)
PY

# same NAME FILE FILE
same() {
  if cmp "$2" "$3"; then pass "$1"; else fail "$1" "$2 and $3 differ"; fi
}

# asPredicted NAME REPORT [LARGEST PEAK]
asPredicted() {
  if "$python" - "$2" "${3:-inf}" <<'PY'; then
import json, sys

report = json.load(open(sys.argv[1]))
assert report["predicted"] == report["measured"], report
assert max(report["measured"]["peakBytesPerRank"]) <= float(sys.argv[2]), report
assert len(report["measured"]["bytesReceivedPerRank"]) == report["ranks"], report
assert all(r >= p for r, p in zip(
    report["highWaterBytesPerRank"], report["measured"]["peakBytesPerRank"])), report
PY
    pass "$1"
  else
    fail "$1" "the report is $(cat "$2")"
  fi
}

chain="ab,bc,cd->ad a.npy b.npy c.npy"
layer="bshw,tshw->bthw|hw x.npy w.npy --conv *:kind=correlation,stride=2"
circular="bshw,tshw->tw|hw x.npy w.npy --conv *:boundary=circular,padding=wrap"
limit=60
set -f
for case in chain layer circular; do
  eval "arguments=\$$case"
  # shellcheck disable=SC2086
  "$convoy" contract $arguments --out $case.npy || fail "$case on one process" "it fails"
  for ranks in 2 3 4 5; do
    # shellcheck disable=SC2086
    check "$case on $ranks ranks" 0 '' $ranks "$convoy" contract $arguments \
      --out $case$ranks.npy --report $case$ranks.json --objective bytes
    same "$case on $ranks ranks gives the same bits" $case.npy $case$ranks.npy
    asPredicted "$case on $ranks ranks moves and holds what was predicted" $case$ranks.json
  done
done
set +f
# Gradients, against the definition in plain loops: a layer on 3 ranks, and within a limit of memory,
# which takes slices, on 2.
"$python" - <<'PY'
import numpy as np

random = np.random.default_rng(11)
for name, shape in {"gy": (2, 4, 5, 4), "u": (24, 4), "v": (4, 32), "z": (32, 3), "gt": (24, 3)}.items():
    np.save(name + ".npy", random.integers(-2, 3, shape).astype("float64"))
PY
# shellcheck disable=SC2086
check "gradients on 3 ranks" 0 '' 3 "$convoy" contract $layer --objective bytes --out y.npy \
  --result-gradient gy.npy --gradients layer --report layer.json
asPredicted "gradients on 3 ranks move and hold what was predicted" layer.json
check "gradients within a limit of memory" 0 '' 2 "$convoy" contract 'bi,ij,jk->bk' u.npy v.npy z.npy \
  --optimizer left-to-right --objective bytes --memory 5000 --out t.npy --result-gradient gt.npy \
  --gradients limited --report limited.json
asPredicted "gradients within a limit of memory, and no more" limited.json 5000
cat >gradients.json <<'JSON'
[{"text": "bshw,tshw->bthw|hw", "options": ["*:kind=correlation,stride=2"],
  "operands": ["x.npy", "w.npy"], "resultGradient": "gy.npy", "result": "y.npy",
  "gradients": ["layer-0.npy", "layer-1.npy"]},
 {"text": "bi,ij,jk->bk", "options": [], "operands": ["u.npy", "v.npy", "z.npy"],
  "resultGradient": "gt.npy", "result": "t.npy",
  "gradients": ["limited-0.npy", "limited-1.npy", "limited-2.npy"]}]
JSON
if output=$("$python" "$here/../python/oracle.py" gradients gradients.json 2>&1); then
  pass "gradients are those of the definition"
else
  fail "gradients are those of the definition" "$output"
fi

# Random expressions: plain and convolution modes, two to four operands; a line is what follows
# `convoy contract`. The result of one process is what the tests of Execution check.
"$python" - >random <<'PY'
import random

import numpy as np

random.seed(23)
values = np.random.default_rng(23)
for number in range(12):
    modes = {mode: random.choice([1, 2, 3, 5, 7, 11]) for mode in "abcdefg"[: random.randint(3, 7)]}
    count = random.randint(2, 4)
    operands = [random.sample(sorted(modes), random.randint(1, len(modes))) for _ in range(count)]
    carriers = {mode: [o for o in operands if mode in o] for mode in modes}
    convolved = [m for m in modes if len(carriers[m]) > 1 and random.random() < 0.4]
    output = [m for m in modes if carriers[m] and (m in convolved or random.random() < 0.5)]
    random.shuffle(output)
    files = []
    for index, operand in enumerate(operands):
        # The first carrier is the feature; filters are shorter.
        shape = [
            modes[m] + 6 if m in convolved and carriers[m][0] is operand
            else random.randint(1, 3) if m in convolved else modes[m]
            for m in operand
        ]
        files.append(f"random{number}-{index}.npy")
        np.save(files[-1], values.integers(-2, 3, shape).astype("float64"))
    rules = [
        f"--conv {m}:stride={random.randint(1, 2)},dilation={random.randint(1, 2)},"
        + random.choice(["padding=full", "padding=same", "boundary=circular,padding=wrap"])
        + random.choice(["", ",kind=correlation"])
        for m in convolved
    ]
    text = ",".join("".join(o) for o in operands) + "->" + "".join(output)
    text += "|" + "".join(convolved) if convolved else ""
    print(text, *files, *rules)
PY
number=0
while read -r arguments; do
  # shellcheck disable=SC2086
  "$convoy" contract $arguments --out expected.npy || fail "$arguments" "it fails on one process"
  ranks=$((number % 4 + 2))
  # shellcheck disable=SC2086
  check "random expression $number on $ranks ranks" 0 '' $ranks "$convoy" contract $arguments \
    --out random.npy --report random.json --objective bytes </dev/null
  same "${arguments%% *} on $ranks ranks gives the same bits" expected.npy random.npy
  asPredicted "${arguments%% *} on $ranks ranks moves and holds what was predicted" random.json
  number=$((number + 1))
done <random
check "a trace" 0 '' 3 "$convoy" contract 'ab,bc->ac' a.npy b.npy --out traced.npy \
  --trace trace.json --objective bytes
if "$python" -c '
import json
events = json.load(open("trace.json"))["traceEvents"]
assert {e["tid"] for e in events if e["ph"] == "X"} == {0, 1, 2}, events
assert {e["cat"] for e in events if e["ph"] == "X"} == {"compute", "communication"}, events
'; then
  pass "a trace has a row per rank"
else
  fail "a trace has a row per rank" "$(cat trace.json)"
fi

# Operands and result take 4.3 MB, a rank may hold 1.6.
"$convoy" contract 'ij,jk->ik' large1.npy large2.npy --out whole.npy
check "within a limit of memory" 0 '' 4 "$convoy" contract 'ij,jk->ik' large1.npy large2.npy \
  --out limited.npy --report limited.json --memory 1600000
same "within a limit of memory, the same bits" whole.npy limited.npy
asPredicted "within a limit of memory, and no more" limited.json 1600000

limit=60
message "too little memory" 1 \
  "^convoy: error: rank 0 of 2 .* needs [0-9]*, [0-9]* too many; most of it is .*; [0-9]* ranks would do" \
  2 "$convoy" contract 'ij,jk->ik' large1.npy large2.npy --out none.npy --memory 1000000
message "--ranks other than there are" 64 "--ranks 3, but 2 ranks were started" \
  2 "$convoy" contract 'ij,jk->ik' large1.npy large2.npy --out none.npy --ranks 3
for file in large1 large2; do cp $file.npy elsewhere; done
head -c 100000 large2.npy >elsewhere/large2.npy
message "an operand truncated on rank 1" 64 \
  "^convoy: error: rank 1 of 3 on $host: large2.npy: " \
  3 sh ../other "$convoy" contract 'ij,jk->ik' large1.npy large2.npy --out none.npy
cp large2.npy elsewhere/large2.npy
cp a.npy elsewhere/large1.npy
message "an operand of another shape on rank 1" 64 \
  "^convoy: error: rank 1 of 3 on $host: " \
  3 sh ../other "$convoy" contract 'ij,jk->ik' large1.npy large2.npy --out none.npy

# A disk too small for the result.
mkdir disk
if mount -t tmpfs -o size=64k none disk 2>/dev/null; then
  message "a full disk" 1 "^convoy: error: rank 0 of 2 on $host: disk/none.npy: cannot .*No space" \
    2 "$convoy" contract 'ij,jk->ik' large1.npy large2.npy --out disk/none.npy
  if [ -z "$(ls -A disk)" ]; then
    pass "a full disk is left empty"
  else
    fail "a full disk is left empty" "$(ls -A disk)"
  fi
  umount disk
else
  echo "skip  a full disk: no right to mount"
fi
rmdir disk

# interrupted SIGNAL NAME EXPECTED_CODE EXPECTED_TEXT MOST_SECONDS: sends a signal to rank 1 of 3
# while it computes.
interrupted() {
  mkdir "$1"
  cd "$1" || exit 1
  start 3 sh ../../numbered "$convoy" contract 'h,h->h|h' ../signal.npy ../filter.npy \
    --out result.npy >output &
  job=$!
  waited=0
  until [ -s pid0 ] && [ -s pid1 ] && [ -s pid2 ] || [ $waited -ge 1200 ]; do
    sleep 0.05
    waited=$((waited + 1))
  done
  # Into the middle of it, also on a busy machine.
  sleep 3
  kill "-$1" "$(cat pid1)"
  before=$(date +%s)
  wait $job
  code=$?
  seconds=$(($(date +%s) - before))
  if [ $code = "$3" ] && [ $seconds -le "$5" ] && grep -q "$4" output; then
    pass "$2"
  else
    fail "$2" "exit code $code after $seconds s" "$(cat output)"
  fi
  # shellcheck disable=SC2012
  if [ "$(ls -A | tr '\n' ' ')" = "output pid0 pid1 pid2 " ]; then
    pass "$2: nothing is left"
  else
    fail "$2: nothing is left" "$(ls -A)"
  fi
  cd ..
}

limit=150
interrupted KILL "SIGKILL of a rank that computes" 137 "in step [0-9]* (contract 'h,h->h|h')" 60
interrupted STOP "SIGSTOP of a rank that computes" 1 \
  "rank 1 .*no sign of life.* step [0-9]* (contract 'h,h->h|h')" 60
cd ..
