FROM base
RUN echo kept > /tmp/kept
RUN cat /tmp/kept > /seen
