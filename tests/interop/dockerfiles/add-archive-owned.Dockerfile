FROM base
ADD --chown=7:8 files.tar.gz /unpacked/
