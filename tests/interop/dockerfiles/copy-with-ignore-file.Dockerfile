# build: --ignorefile ignored
FROM base
COPY . /all
