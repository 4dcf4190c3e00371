FROM base
ENV A=1 B=2
ENV FROM_BASE=changed A=3
