FROM base
ADD files.tar.* /both/
