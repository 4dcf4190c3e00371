FROM base AS one
RUN echo 1 > /one
ENV ONE=1
WORKDIR /w
CMD ["one"]
FROM one AS two
RUN echo $ONE > two
FROM two
