# Slurm: a real one on virtual hosts (cluster/virtual/slurm), where it can be had. What is interrupted there
# goes on to the same bits.
virtual=$here/../../cluster/virtual

# Every job has two hosts of its own, and there are two more for the jobs whose host fails.
on_slurm() {
  mkdir "$work/slurm"
  cd "$work/slurm" || exit 1
  # A host that does not answer for 10 seconds is down.
  "$virtual/slurm" --hosts 20 --set SlurmdTimeout=10 --set KillWait=10 -- \
    sh "$here/slurm-jobs" "$binaries/convoy" >report 2>&1
  code=$?
  cat report
  passed=$((passed + $(grep -c '^ok  ' report)))
  failed=$((failed + $(grep -c '^FAIL  ' report)))
  [ $code = 0 ] || fail "Slurm" "exit code $code"
  cd "$work" || exit 1
}

if reason=$("$virtual/available" slurm); then
  on_slurm
else
  echo "skip  Slurm: $reason"
fi
