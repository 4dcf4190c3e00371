FROM scratch
LABEL only=this
COPY sub /
CMD ["/x"]
