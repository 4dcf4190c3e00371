FROM base AS b
RUN mkdir -p /s /top/nested && echo lib > /s/lib.so.1 && ln -s lib.so.1 /s/lib.so \
    && echo file > /top/nested/file && echo one > /top/one && ln /top/one /top/two && ln /top/one /s/three
FROM base
COPY --from=b /s/lib.so* /y/
COPY --from=b /top/nested /top/ /t/
COPY --from=b /top /u
COPY --from=b /top/one /top/two /v/
COPY --from=b /top /s /w/
