# scripts/mpi: what it passes on, and what becomes of a signal.

launch=$here/../../scripts/mpi

output=$(echo input | timeout 20 "$launch" 2 sh -c 'cat; exit 3' 2>&1)
code=$?
if [ $code = 3 ] && printf '%s\n' "$output" | grep -q '^input$'; then
  pass "scripts/mpi passes input, output and the exit code on"
else
  fail "scripts/mpi passes input, output and the exit code on" "exit code $code:" "$output"
fi

mkdir "$work/launcher"
cd "$work/launcher" || exit 1
for signal in 'INT 130' 'TERM 143' 'USR1 138'; do
  code=${signal#* } signal=${signal% *} run=stopped-${signal% *}
  # In the background the shell would have SIGINT ignored.
  env --default-signal=INT "$launch" 2 "$convoy" train ../small.yaml --set output=$run >output 2>&1 &
  job=$!
  await_lines 17 $run/metrics.jsonl
  kill -s "$signal" $job
  wait $job
  got=$?
  if [ $got = "$code" ] && grep -q '^stopped by SIG.*with a checkpoint' output \
    && grep -q "^scripts/mpi: SIG$signal: asking all ranks to stop" output; then
    pass "scripts/mpi stops a run at SIG$signal"
  else
    fail "scripts/mpi stops a run at SIG$signal" "exit code $got (expected $code):" "$(cat output)"
  fi
  check "stopped by SIG$signal, it goes on" 0 'after 2 epochs (120 steps)' 2 "$convoy" \
    train ../small.yaml --set output=$run --resume-or-start
  cmp $run/weights.safetensors ../whole/run/weights.safetensors \
    || fail "stopped by SIG$signal, it goes on" "the weights differ"
done

# Ranks that do not stop are ended by the second signal. They say nothing, so the script says it.
"$launch" 2 sh -c 'trap "" USR1; : >"deaf$OMPI_COMM_WORLD_RANK"; sleep 60' >output 2>&1 &
job=$!
waited=0
until [ -e deaf0 ] && [ -e deaf1 ] || [ $waited -ge 600 ]; do
  sleep 0.05
  waited=$((waited + 1))
done
kill -s TERM $job
until grep -q 'SIGTERM: asking' output || [ $waited -ge 600 ]; do
  sleep 0.05
  waited=$((waited + 1))
done
kill -s TERM $job
wait $job
got=$?
if [ $got != 0 ] && grep -q '^scripts/mpi: SIGTERM again: ending all ranks' output; then
  pass "scripts/mpi ends ranks that do not stop"
else
  fail "scripts/mpi ends ranks that do not stop" "exit code $got:" "$(cat output)"
fi

# Two runs never write into one folder, nor does a resume beside a run that goes on.
env --default-signal=INT "$launch" 2 "$convoy" train ../small.yaml --set output=locked \
  --set training.epochs=500 >output 2>&1 &
job=$!
await_lines 17 locked/metrics.jsonl
going="locked: a run is going on in this folder (host and process: $host [0-9]*)"
check "no resume beside a run that goes on" 64 "$going" 2 "$convoy" train --resume locked
check "no second run in its folder" 64 "$going" 2 "$convoy" train ../small.yaml --set output=locked
kill -s TERM $job
wait $job
if grep -q '^stopped by SIG.*with a checkpoint' output; then
  pass "a run that others wanted to join goes on"
else
  fail "a run that others wanted to join goes on" "it says:" "$(cat output)"
fi
cd "$work" || exit 1
