FROM base
RUN echo $HOME > /home-of-root && mkdir -m 777 /w
USER web
RUN echo $HOME > /w/home
