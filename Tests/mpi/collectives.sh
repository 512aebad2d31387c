# MPISelfTest under mpirun: all checks on 1 to 4 ranks, and what happens when a rank fails.

limit=60
for ranks in 1 2 3 4; do
  check "all checks, $ranks ranks" 0 '^[1-9][0-9]* passed, 0 failed$' $ranks \
    "$binaries/MPISelfTest"
done
[ "${CONVOY_TESTS:-}" != long ] \
  || check "message over 2 GiB" 0 '^1 passed, 0 failed$' 2 "$binaries/MPISelfTest" long

# A rank that fails ends the job in about a second. Only a hang takes a minute, however busy the machine is.
limit=60
check "a rank fails" 3 'rank 2 of 3: failed as it was told to' 3 "$binaries/MPISelfTest" fail
check "a rank leaves without a word" 7 'Exit code: *7' 3 "$binaries/MPISelfTest" leave

# watched NAME CODE TEXT RANKS MODE LEFT [UNWANTED]: ranks under a watchdog; LEFT are the registered
# files that stay, those of killed ranks; output must not have UNWANTED.
watched() {
  folder=$work/watched
  rm -rf "$folder" && mkdir "$folder"
  before=$failed
  check "$1" "$2" "$3" "$4" "$binaries/MPISelfTest" "$5" "$folder"
  [ "$failed" = "$before" ] || return 0
  left=$(ls "$folder")
  [ "$left" = "$6" ] || fail "$1" "temporary files left: \"$left\", expected \"$6\""
  if [ -n "${7:-}" ] && printf '%s\n' "$output" | grep -q -e "$7"; then
    fail "$1" "the output has \"$7\":" "$output"
  fi
}

# The watchdog gives ranks 2 seconds, and mpirun takes one to end the others; again a minute is a hang.
limit=60
in_step='in step 5 (gather operand 1)'
# It may have taken mpirun so long that the others have noticed.
ended_in_step="ended from outside $in_step\(; nothing is heard of .*\)\{0,1\}\$"
for ranks in 2 3 4; do
  last=$((ranks - 1))
  watched "a stopped rank, $ranks ranks" 1 \
    "^MPISelfTest: error: rank $last of $ranks on .* gave no sign of life for 2 s; it was last $in_step$" \
    $ranks stop '' 'ended from outside'
done
watched "a killed rank" 137 "^MPISelfTest: error: rank 0 of 3 on .*: $ended_in_step" \
  3 kill rank2.partial
watched "rank 0 is killed" 137 \
  "^MPISelfTest: error: rank 1 of 3 on .*: $ended_in_step" 3 kill-first rank0.partial
watched "a rank does not come" 3 \
  "rank 0 of 3 has waited 2 s $in_step for rank 2 on .*, which is $in_step$" 3 absent '' \
  'ended from outside'
watched "a rank does not send, and others wait in a chain" 3 \
  "rank 0 of 3 has waited 2 s $in_step for rank 2 on .*, which is $in_step$" 3 silent-peer '' \
  'ended from outside'
watched "a rank that fails is not drowned out" 3 'rank 2 of 3: failed as it was told to' 3 abort '' \
  'ended from outside'
watched "a rank that is slow to end removes its files, too" 3 'rank 2 of 3: failed as it was told to' \
  3 abort-busy ''
watched "a rank leaves without a word, watched" 7 \
  "^MPISelfTest: error: rank 0 of 3 on .*: $ended_in_step" 3 quit rank2.partial
watched "ranks end at different times" 0 '^1 passed, 0 failed$' 3 apart '' 'sign of life'

# alone SIGNAL CODE TEXT: a process without mpirun that is ended says TEXT, and removes its file.
alone() {
  folder=$work/alone
  rm -rf "$folder" && mkdir "$folder"
  # Under nohup the signal would be ignored from the start, and rightly stay so.
  env --default-signal "$binaries/MPISelfTest" absent "$folder" >"$work/alone.out" 2>&1 &
  # It is in its step a second after it wrote the file; then it sleeps for a minute.
  sleep 3
  kill -s "$1" $!
  wait $! 2>/dev/null
  got=$?
  said=$(cat "$work/alone.out")
  if [ "$got" = "$2" ] && [ "$said" = "$3" ] && [ -z "$(ls "$folder")" ]; then
    pass "SIG$1 without mpirun"
  else
    fail "SIG$1 without mpirun" "exit code $got, files \"$(ls "$folder")\", output:" "$said"
  fi
}

alone TERM 143 "MPISelfTest: error: ended from outside $in_step"
alone HUP 129 ''
