# buildkit: that of Debian 12 has no named contexts
# build: --build-context other=other
FROM base
COPY --from=other o.txt /o
