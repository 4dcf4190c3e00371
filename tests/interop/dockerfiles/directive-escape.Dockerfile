# escape=`
FROM base
RUN echo `
  joined > /out
