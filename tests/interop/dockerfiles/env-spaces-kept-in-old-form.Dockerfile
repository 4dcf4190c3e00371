FROM base
ENV A   x  y
ENV B "quoted  text"
