FROM base
RUN touch /made && mkdir /dir && umask > /umask
