FROM base
ADD files.tar.gz /unpacked
