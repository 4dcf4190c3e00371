FROM base
WORKDIR /here
ADD files.tar.xz .
