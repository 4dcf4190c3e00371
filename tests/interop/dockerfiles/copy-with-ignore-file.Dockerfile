# buildkit: it has no --ignorefile
# build: --ignorefile ignored
FROM base
COPY . /all
