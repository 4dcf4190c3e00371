FROM base
RUN chmod 700 /srv
RUN chown 5:6 /root
