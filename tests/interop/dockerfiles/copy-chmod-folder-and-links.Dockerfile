FROM base
COPY --chmod=750 links/folder links/file /l/
