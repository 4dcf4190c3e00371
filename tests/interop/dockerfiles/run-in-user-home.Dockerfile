FROM base
RUN echo $HOME > /home-of-root
USER web
RUN echo $HOME > /tmp/home
