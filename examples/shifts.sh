#!/usr/bin/env bash
# Three domain shifts on your own copies of MoNuSeg, TNBC and DSB 2018, each with every control.
# Usage: examples/shifts.sh FOLDER_WITH_THE_DATA_SETS [more options of `histokit train`]
#   on a GPU:     examples/shifts.sh ~/data
#   without one:  PRESET=cpu STEPS=800 WARMUP=200 examples/shifts.sh ~/data --threads 1
set -euo pipefail
data=${1:?the folder with the data sets is missing; see the first lines of this file}
shift
steps=${STEPS:-10000} warmup=${WARMUP:-1000} seed=${SEED:-0}
shares=0.5,0.17,0.33
common=(--data-root "$data" --split "$shares" --seed "$seed" "$@")
if [ -n "${PRESET:-}" ]; then common+=(--preset "$PRESET"); fi

for pair in monuseg:tnbc tnbc:monuseg dsb2018:tnbc; do
    source=${pair%%:*} target=${pair##*:}
    histokit eval otsu-hed --target "$target" --data-root "$data" --split "$shares"
    for method in source-only adabn mani oracle; do
        plan=(--steps "$steps")
        if [ "$method" = mani ]; then
            plan=(--warmup-steps "$warmup" --adapt-steps "$((steps - warmup))")
        fi
        run=$(histokit train "$method" --source "$source" --target "$target" "${common[@]}" "${plan[@]}")
        histokit eval "$run" --target "$target" --data-root "$data"
    done
done
