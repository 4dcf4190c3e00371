FROM scratch AS files
COPY sub /
FROM base
COPY --from=files / /all/
