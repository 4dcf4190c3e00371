FROM base
ENV OLD a value with  spaces
ENV A=1 B="2 3" C='4 $A' D=5\ 6 E=
ENV F="quote\"d" G=back\\slash
