FROM base
ADD files.tar.gz /deep/er/place/
