FROM base
ADD files.tar.gz a.txt /mixed/
