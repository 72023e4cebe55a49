#!/bin/sh
# A peer for tests: speaks the protocol of benches/peers/serve.py, or fails at it in a given way.
#   fake_peer.sh KIND ANSWERS --data ... --metric ... --k ... --ids FILE [--core N]
# ANSWERS.all and ANSWERS.half hold the ids that it claims to find, for four queries.
kind=$1
answers=$2
shift 2
while [ $# -gt 0 ]; do
    case "$1" in --ids) ids=$2 ;; esac
    shift 2
done

ready() {
    printf '{"said":"ready","library":"fake 1.0","params":"M=4","codes":"i4","build_s":0.5,"build_cpu_s":0.25,'
    printf '"index_bytes":1048576,"resident_bytes":2097152,"loop":%s,"grid":[{"ef":1},{"ef":2}],' "$1"
    printf '"families":[0,0],"notes":["a note"]}\n'
}

case "$kind" in
absent) printf '{"said":"absent","reason":"no module named fake"}\n' && exit 0 ;;
unfit) printf '{"said":"refused","reason":"does not compare by this metric"}\n' && exit 0 ;;
dead) echo 'Traceback' >&2 && echo 'Illegal instruction' >&2 && exit 3 ;;
chatty) echo 'Loading the index ...' ;;
endless) exec tr '\0' x </dev/zero ;;
silent) exec sleep 60 ;;
batch) ready false ;;
*) ready true ;;
esac

asked=0
while read -r line; do
    asked=$((asked + 1))
    case "$kind" in
    dies) echo 'out of memory' >&2 && exit 9 ;;
    fades) [ $asked -gt 3 ] && exit 0 ;;
    stuck) exec sleep 60 ;;
    lost) printf '{"said":"answer","queries":3,"seconds":0.001,"cpu_seconds":0.001}\n' && continue ;;
    esac
    # ef=1 finds half in half the time.
    case "$line" in
    *'"ef":1'*) found=half seconds=0.001 ;;
    *) found=all seconds=0.004 ;;
    esac
    if [ "$kind" = picky ] && [ $found = half ]; then
        printf '{"said":"refused","reason":"ef must be at least k"}\n'
        continue
    fi
    case "$line" in
    *'"save":true'*)
        cp "$answers.$found" "$ids"
        [ "$kind" = torn ] && printf 'xx' >"$ids"
        [ "$kind" = liar ] && printf '\377\377\377\177\377\377\377\177\377\377\377\177\377\377\377\177' >"$ids"
        ;;
    esac
    if [ "$kind" = filters ] && [ "${line#*'"filter":"50---at-random"'}" = "$line" ]; then
        printf '{"said":"refused","reason":"another filter"}\n'
        continue
    fi
    latencies='[]'
    case "$line" in *'"calls"'*) latencies='[40,10,30,20]' ;; esac
    printf '{"said":"answer","queries":4,"seconds":%s,"cpu_seconds":0.001,"latencies_us":%s}\n' $seconds $latencies
done
