FROM base
COPY modes /modes
