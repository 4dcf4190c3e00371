# build: --build-context other=other
FROM base
COPY --from=other o.txt /o
