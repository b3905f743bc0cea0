# Signals in the middle of real matrix products, again and again: every time the run saves, says so and ends. timeout(1) passes each on
# twice, to the process and to its group. MHC_INTERRUPTS: how often.
. "${0%/*}/lib/common.sh"

unset OMP_NUM_THREADS
runs=${MHC_INTERRUPTS:-6}
i=0
while [ $i -lt "$runs" ]; do
    rm -rf run
    # A job in the background ignores SIGINT in a shell without job control.
    (
        trap - INT
        set -m
        timeout -k 60 120 "$mhc" train --out run --quiet --set train.steps=100000 --set train.batch=4 --set model.blocks=2 2>err &
        job=$!
        while [ ! -s run/metrics.jsonl ] && kill -0 $job 2>/dev/null; do sleep 0.02; done
        sleep 0.$((i * 37 % 60 + 10))
        kill -INT $job
        wait $job
        echo $? >code
    ) 2>/dev/null
    [ "$(cat code)" = 1 ] || fail "interrupt $i: expected exit code 1 within a minute, found $(cat code)"
    says err "saved; go on with: mhc train --resume run"
    i=$((i + 1))
done
finish
