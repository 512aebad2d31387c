# convoy under mpirun: the same losses on any number of ranks, the same bits after a kill, and one
# message, soon, whichever rank fails.

convoy=$binaries/convoy
host=$(uname -n)
cd "$work" || exit 1

# The losses of the steps of a run, one a line.
losses() { sed -n 's/.*"kind":"step".*"loss":\([^,]*\),.*/\1/p' "$1/metrics.jsonl"; }

# The metrics of a run without the time, which is never the same.
timeless() { sed 's/,"imagesPerSecond":.*//' "$1/metrics.jsonl"; }

# The example as it is, for 30 steps; 128 images do not divide by 3.
limit=120
for ranks in 1 2 3 4; do
  check "30 steps on Fashion-MNIST, $ranks ranks" 0 'after 0 epochs (30 steps)' $ranks "$convoy" \
    train "$here/../../examples/fashion-mnist.yaml" --set output=fashion$ranks \
    --set training.maxSteps=30 --set data.testSamples=256
  losses fashion$ranks >losses$ranks
done
for ranks in 2 3 4; do
  difference=$(paste losses1 losses$ranks | awk '
    { d = $1 > $2 ? $1 - $2 : $2 - $1; d /= $1; if (!(d <= most)) most = d }
    END { print NR == 30 ? most : "of " NR " steps" }')
  if awk "BEGIN { exit !(\"$difference\" ~ /^[0-9.e-]+\$/ && $difference <= 1e-4) }"; then
    pass "the losses of $ranks ranks are those of one, to $difference"
  else
    fail "the losses of $ranks ranks are those of one, to 1e-4" "they differ by $difference"
  fi
done

# A step moves and holds what 'describe' says beforehand; 5 samples do not divide by 2 or 3.
python=${CONVOY_PYTHON:-python3}
for network in demo resnet20; do
  cat >$network.yaml <<YAML
model: {network: $network}
output: $network
data: {kind: synthetic, trainingSamples: 20, testSamples: 5, height: 12, width: 12, channels: 3, classes: 4}
training: {epochs: 1, batchSize: 5, maxSteps: 2}
YAML
  for ranks in 1 2 3; do
    what="a step of $network on $ranks ranks"
    check "$what" 0 'after 0 epochs (2 steps)' $ranks "$convoy" train $network.yaml --threads 1 \
      --set output=$network$ranks --report $network.json --trace trace.json
    "$convoy" describe $network.yaml --ranks $ranks --threads 1 --json >described.json
    if "$python" - $network.json described.json trace.json <<'PY'; then
import json, sys

report, described, trace = (json.load(open(path)) for path in sys.argv[1:])
assert report["predicted"] == report["measured"], report
for key in ("bytesReceivedPerRank", "peakBytesPerRank"):
    assert report["measured"][key] == described[key], (key, report, described[key])
    assert len(described[key]) == report["ranks"], report
for held, predicted in zip(report["highWaterBytesPerRank"], described["peakBytesPerRank"]):
    assert predicted < held < 1.1 * predicted + 64e6, (held, predicted)
events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
assert {event["pid"] for event in events} == set(range(report["ranks"])), trace
kinds = {"compute"} | ({"communication"} if report["ranks"] > 1 else set())
assert {event["cat"] for event in events} == kinds, trace
PY
      pass "$what moves and holds what was predicted"
    else
      fail "$what moves and holds what was predicted" "the report is $(cat $network.json)"
    fi
  done
done

# A run of two epochs of 60 steps, which takes some seconds; 'run' is its folder.
cat >small.yaml <<'YAML'
seed: 5
output: run
data: {kind: synthetic, trainingSamples: 960, testSamples: 17, height: 8, width: 8, classes: 3}
training: {epochs: 2, batchSize: 16, checkpointSteps: 7}
YAML

# Each rank writes down its number of process, under which it can be killed.
cat >numbered <<'SH'
echo $$ >"pid$OMPI_COMM_WORLD_RANK"
exec "$@"
SH

mkdir whole
cd whole || exit 1
check "a run on 2 ranks" 0 'after 2 epochs (120 steps)' 2 "$convoy" train ../small.yaml
cd ..
for rank in 0 1; do
  kill="SIGKILL of rank $rank of 2"
  mkdir killed$rank
  cd killed$rank || exit 1
  start 2 sh ../numbered "$convoy" train ../small.yaml >output &
  job=$!
  await_lines 17 run/metrics.jsonl
  kill -KILL "$(cat pid$rank)"
  before=$(date +%s)
  wait $job
  code=$?
  seconds=$(($(date +%s) - before))
  if [ $code = 137 ] && [ $seconds -le 60 ] \
    && grep -q "process rank $rank .* on node $host exited on signal 9" output; then
    pass "$kill ends the job"
  else
    fail "$kill ends the job" "exit code $code after $seconds s" "$(cat output)"
  fi
  check "$kill, resumed" 0 'after 2 epochs (120 steps)' 2 "$convoy" train ../small.yaml --resume run
  timeless run >metrics
  timeless ../whole/run >../whole/metrics
  if cmp metrics ../whole/metrics \
    && cmp run/weights.safetensors ../whole/run/weights.safetensors \
    && cmp run/checkpoints/step-000000120.safetensors \
      ../whole/run/checkpoints/step-000000120.safetensors; then
    pass "$kill, resumed to the same bits"
  else
    fail "$kill, resumed to the same bits" "the files differ"
  fi
  cd ..
done

# npy of version 1.0: two elements 1.0 of float32.
{
  printf '\223NUMPY\001\000v\000%-117s\n' \
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
  printf '\000\000\200\077\000\000\200\077'
} >ones.npy
check "contract on 2 ranks" 0 '' 2 "$convoy" contract 'i,i->' ones.npy ones.npy --out sum.npy
if [ "$(tail -c 4 sum.npy | od -An -tx1)" = " 00 00 00 40" ]; then
  pass "contract on 2 ranks writes the result"
else
  fail "contract on 2 ranks writes the result" "sum.npy does not end in 2.0"
fi

# message NAME EXPECTED_CODE EXPECTED_TEXT RANKS COMMAND...: the job ends soon, with one message,
# and leaves no new file.
message() {
  ls -A >before
  check "$@"
  lines=$(printf '%s\n' "$output" | grep -c '^convoy: error: ')
  [ "$lines" = 1 ] || fail "$1" "$lines messages instead of one:" "$output"
  ls -A >after
  cmp -s before after || fail "$1" "it leaves files: $(diff before after)"
}

# With 'other' before a command, rank 1 runs it elsewhere, where it finds other files.
mkdir elsewhere
cat >other <<'SH'
[ "$OMPI_COMM_WORLD_RANK" != 1 ] || cd elsewhere
exec "$@"
SH
: >before
: >after
limit=60
mkdir images elsewhere/images
cp /usr/share/datasets/fashion-mnist/t10k-* images
for file in images-idx3 labels-idx1; do
  cp images/t10k-$file-ubyte.gz images/train-$file-ubyte.gz
done
message "data missing on rank 1" 64 \
  "^convoy: error: rank 1 of 2 on $host: images: there is no train-images-idx3-ubyte" \
  2 sh other "$convoy" train "$work/small.yaml" --set data.kind=idx --set data.path=images
cp images/* elsewhere/images
head -c 1000 images/train-images-idx3-ubyte.gz >elsewhere/images/train-images-idx3-ubyte.gz
message "data truncated on rank 1" 64 \
  "^convoy: error: rank 1 of 2 on $host: images/train-images-idx3-ubyte.gz: " \
  2 sh other "$convoy" train "$work/small.yaml" --set data.kind=idx --set data.path=images
message "configuration missing on rank 1" 64 \
  "^convoy: error: rank 1 of 3 on $host: small.yaml: there is no such file" \
  3 sh other "$convoy" train small.yaml
sed 's/seed: 5/seed: 6/' small.yaml >elsewhere/small.yaml
message "another configuration on rank 1" 64 \
  "^convoy: error: rank 0 of 3 on $host: rank 1 was given another configuration than rank 0" \
  3 sh other "$convoy" train small.yaml
message "an unknown key on all ranks" 64 \
  "^convoy: error: rank 0 of 3 on $host: --set: there is no key 'training.epoch'" \
  3 "$convoy" train small.yaml --set training.epoch=3
message "an unwritable run folder" 1 \
  "^convoy: error: rank 0 of 3 on $host: small.yaml/run: cannot be used as the run folder" \
  3 "$convoy" train small.yaml --set output=small.yaml/run
message "another run to resume" 64 \
  "^convoy: error: rank 0 of 2 on $host: whole/run: cannot be resumed with another configuration" \
  2 "$convoy" train small.yaml --resume whole/run --set seed=6
message "a missing operand" 64 \
  "^convoy: error: rank 0 of 2 on $host: nowhere.npy: cannot open" \
  2 "$convoy" contract 'i->' nowhere.npy --out sum.npy
mkdir diverged
message "a loss that is no number" 1 \
  "^convoy: error: rank 0 of 2 on $host: the loss became NaN at step [0-9]* (epoch 1" \
  2 "$convoy" train small.yaml --set output=diverged --set optimizer.learningRate=1e30

# More ranks than samples in a batch: the rows of the images are cut as well, with the same losses.
limit=120
check "batch 2 on 1 rank" 0 'after 0 epochs (20 steps)' 1 "$convoy" \
  train small.yaml --set output=few1 --set training.batchSize=2 --set training.maxSteps=20
check "batch 2 on 4 ranks, rows cut" 0 'as 2 × 2 (batch × rows)' 4 "$convoy" \
  train small.yaml --set output=few4 --set training.batchSize=2 --set training.maxSteps=20 \
  --set training.parallelism=auto
losses few1 >losses1
losses few4 >losses4
difference=$(paste losses1 losses4 | awk '
  { d = $1 > $2 ? $1 - $2 : $2 - $1; d /= $1; if (!(d <= most)) most = d }
  END { print NR == 20 ? most : "of " NR " steps" }')
if awk "BEGIN { exit !(\"$difference\" ~ /^[0-9.e-]+\$/ && $difference <= 1e-4) }"; then
  pass "the losses with rows cut are those of one rank, to $difference"
else
  fail "the losses with rows cut are those of one rank, to 1e-4" "they differ by $difference"
fi

# What all ranks are told is said once, and is all that is said: no banner of mpirun's.
# only NAME EXPECTED_CODE EXPECTED_TEXT RANKS COMMAND...: the output is one line.
only() {
  check "$@"
  lines=$(printf '%s\n' "$output" | wc -l)
  [ "$lines" = 1 ] || fail "$1" "$lines lines instead of one:" "$output"
}
limit=60
only "no banner around a message" 64 "^convoy: error: rank 0 of 2 on $host: nowhere.npy: cannot open" \
  2 "$convoy" contract 'i->' nowhere.npy --out sum.npy
only "no banner around a message of one rank" 64 "^convoy: error: rank 1 of 2 on $host: images/train" \
  2 sh other "$convoy" train "$work/small.yaml" --set data.kind=idx --set data.path=images
only "a last batch of one sample on 3 ranks" 64 \
  "^convoy: error: rank 0 of 3 on $host: the last batch of an epoch has 1 sample (17 in batches of 16)" \
  3 "$convoy" train small.yaml --set output=refused --set data.height=4 --set data.width=4 \
  --set data.trainingSamples=17
check "a last batch that is left out on 3 ranks" 0 'after 2 epochs (2 steps)' 3 "$convoy" \
  train small.yaml --set output=dropped --set data.height=4 --set data.width=4 \
  --set data.trainingSamples=17 --set training.dropLast=true
only "more threads than cores, on 2 ranks" 0 \
  '^convoy: warning: --threads 1000: a rank may use [0-9]* cores\{0,1\} here' \
  2 "$convoy" contract 'i,i->' ones.npy ones.npy --out sum.npy --threads 1000

# Commands for one process are run by one of those that were started; plans are for all of them.
# once NAME TEXT RANKS COMMAND...: the output has one line with the text.
once() {
  name=$1 text=$2
  shift 2
  check "$name" 0 "$text" "$@"
  lines=$(printf '%s\n' "$output" | grep -c "$text")
  [ "$lines" = 1 ] || fail "$name" "$lines lines with '$text':" "$output"
}
once "doctor on 3 ranks" '^this run        3 ranks' 3 "$convoy" doctor
once "a plan under mpirun is for its ranks" '^ranks           4, mesh' 4 "$convoy" plan 'mk,kn->mn' \
  --shape 64x64 --shape 64x64
once "a plan for as many ranks as it is told" '^ranks           8, mesh' 3 "$convoy" plan 'mk,kn->mn' \
  --shape 64x64 --shape 64x64 --ranks 8
once "bench gemm on 2 ranks" 'given 8x8x8' 2 "$convoy" bench gemm --shape 8x8x8 --seconds 0.01
if output=$("$here/../../scripts/mpi" 2>&1) || [ $? != 64 ]; then
  fail "scripts/mpi without arguments" "$output"
else
  pass "scripts/mpi without arguments"
fi
message=$(start 3 "$convoy" plan 'i->i' --shap 2 | grep -c '^convoy: error: unknown option')
if [ "$message" = 1 ]; then
  pass "a mistyped option on 3 ranks is told once"
else
  fail "a mistyped option on 3 ranks is told once" "it is told $message times"
fi
once "the help on 3 ranks" '^USAGE: convoy plan' 3 "$convoy" plan --help
