# MPISelfTest under mpirun: all checks on 1 to 4 ranks, and what happens when a rank fails.

limit=60
for ranks in 1 2 3 4; do
  check "all checks, $ranks ranks" 0 '^[1-9][0-9]* passed, 0 failed$' $ranks \
    "$binaries/MPISelfTest"
done
[ -z "${CONVOY_LONG:-}" ] \
  || check "message over 2 GiB" 0 '^1 passed, 0 failed$' 2 "$binaries/MPISelfTest" long

# Ten seconds are for a busy machine: a rank that fails ends the job in about one.
limit=10
check "a rank fails" 3 'rank 2 of 3: failed as it was told to' 3 "$binaries/MPISelfTest" fail
check "a rank leaves without a word" 7 'Exit code: *7' 3 "$binaries/MPISelfTest" leave
