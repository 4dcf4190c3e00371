FROM base
LABEL a=1 "b c"="d e" f='g "h"'
LABEL multi="line one \
line two"
LABEL old value here
