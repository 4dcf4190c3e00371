ARG NAME=outside
FROM base
LABEL name=[$NAME]
