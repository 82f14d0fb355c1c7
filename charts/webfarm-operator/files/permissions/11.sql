-- What webfarm-operator needs in a database of Kentico 11, and why. Generated (make generate): the operator asks for exactly this.
-- Put the schema of your tables for [dbo], and the user's name for [webfarm-operator], if they are others.
-- In the site's database, by one who may grant. The login first, on the server:
-- CREATE LOGIN [webfarm-operator] WITH PASSWORD = N'...';
CREATE USER [webfarm-operator] FOR LOGIN [webfarm-operator]; -- a contained database: WITH PASSWORD = N'...', and no login
GRANT SELECT ([ServerID], [ServerName], [ServerGUID], [ServerEnabled]) ON [dbo].[CMS_WebFarmServer] TO [webfarm-operator]; -- to read the rows
GRANT INSERT ON [dbo].[CMS_WebFarmServer] TO [webfarm-operator]; -- to add the server of a new pod
GRANT UPDATE ([ServerGUID], [ServerLastModified]) ON [dbo].[CMS_WebFarmServer] TO [webfarm-operator]; -- to give a row another pod's mark and URL
GRANT DELETE ON [dbo].[CMS_WebFarmServer] TO [webfarm-operator]; -- to remove the server of a pod that is gone
GRANT VIEW DEFINITION ON [dbo].[CMS_WebFarmServer] TO [webfarm-operator]; -- to see all columns of the table, so that none is left without a value
GRANT SELECT ([ServerID], [TaskID]) ON [dbo].[CMS_WebFarmServerTask] TO [webfarm-operator]; -- to find the tasks of a server to remove
GRANT DELETE ON [dbo].[CMS_WebFarmServerTask] TO [webfarm-operator]; -- to delete the tasks of a server to remove, which it will never fetch
GRANT VIEW DEFINITION ON [dbo].[CMS_WebFarmServerTask] TO [webfarm-operator]; -- to see whether its foreign key is enabled
GRANT VIEW DEFINITION ON [dbo].[CMS_WebFarmTask] TO [webfarm-operator]; -- to tell the product's versions apart; its rows are never read or changed
GRANT SELECT ([WebFarmServerMonitoringID], [ServerID], [ServerPing]) ON [dbo].[CMS_WebFarmServerMonitoring] TO [webfarm-operator]; -- to see that a server lives
GRANT INSERT ON [dbo].[CMS_WebFarmServerMonitoring] TO [webfarm-operator]; -- to give a new server the newest ping, so that it is not reported as not responding before it starts
GRANT DELETE ON [dbo].[CMS_WebFarmServerMonitoring] TO [webfarm-operator]; -- to delete the pings of removed servers
GRANT SELECT ([ServerID]) ON [dbo].[CMS_WebFarmServerLog] TO [webfarm-operator]; -- to find the log rows of removed servers
GRANT DELETE ON [dbo].[CMS_WebFarmServerLog] TO [webfarm-operator]; -- to delete the log rows of removed servers
GRANT SELECT ([SearchTaskServerName]) ON [dbo].[CMS_SearchTask] TO [webfarm-operator]; -- to find the search tasks of removed servers
GRANT DELETE ON [dbo].[CMS_SearchTask] TO [webfarm-operator]; -- to delete the search tasks of removed servers
GRANT SELECT ([KeyName], [KeyValue], [SiteID]) ON [dbo].[CMS_SettingsKey] TO [webfarm-operator]; -- to read the web farm's mode; without it set spec.webFarmMode
