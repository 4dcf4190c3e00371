FROM base
ARG A="two words" B='$A'
LABEL a=$A b=$B
