FROM base
ENV A=a B=b
ENV C=${A}${B} D=$A$B E=${X:-${A}} F="\$A" G='$A' H=\$A
