FROM base
RUN echo f > /thing
RUN rm /thing && mkdir /thing && echo x > /thing/x
RUN rm -r /thing && ln -s /etc /thing
