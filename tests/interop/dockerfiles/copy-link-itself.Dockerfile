FROM base
COPY links/to-file /file
COPY links/to-folder /folder
