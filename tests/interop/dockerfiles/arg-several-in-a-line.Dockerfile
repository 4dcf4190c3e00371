FROM base
ARG A=1 B="2 3" C
LABEL a=$A b=$B c=${C:-none}
