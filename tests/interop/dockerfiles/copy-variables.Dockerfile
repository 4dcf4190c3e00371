FROM base
ENV FROM=a.txt TO=/to
COPY $FROM ${TO}/$FROM.copy
