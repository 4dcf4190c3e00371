FROM base
RUN rm /bin/yes && rm -r /root && mkdir /root && echo new > /root/new
